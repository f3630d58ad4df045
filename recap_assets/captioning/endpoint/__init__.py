"""Captions from a model that another program serves, through OpenAI's chat completions API.

One request has one picture, so that no answer can be taken for that of another picture as long as
the server answers the request it was asked. What fails becomes an answer with a reason; a server
that is not there, or not the one that was meant, is a `UserError`.
"""
