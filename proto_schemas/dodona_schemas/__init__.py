"""Pydantic models of the wire: the REST dialects that Dodona speaks.

`vertex` is the primary dialect: the public REST protocol of Vertex AI Vizier v1. Fields that Dodona adds are marked.
Client and server share these models, which import only pydantic.
"""
