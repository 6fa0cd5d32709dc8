"""Instrumentors: each watches one library from outside and can be undone without a trace."""
