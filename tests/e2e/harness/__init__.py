"""What the end-to-end tests stand on: the gateway as a child process, an upstream that records, raw clients, text cases."""
