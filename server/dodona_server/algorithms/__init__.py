"""Search algorithms: pure functions of domain values, without SQL, HTTP or a clock.

`registry` names them; adding one is a package here and a line there.
"""
