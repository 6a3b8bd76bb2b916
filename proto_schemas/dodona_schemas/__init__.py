"""The wire: pydantic models of the REST dialects that Dodona speaks.

`vertex` is the primary dialect, the public REST protocol of Vertex AI Vizier v1, with the fields that
Dodona adds marked as such. Client and server share these models; they import pydantic alone.
"""
