"""The whole stack on one machine: for development and demonstration, never imported by the worker itself."""
