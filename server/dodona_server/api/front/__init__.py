"""Common path of all calls: from the request to a use case, and from its result to the answer."""
