#!/bin/bash
# A reload that changes something: an equal config would be left alone.
sed -i "s/^drain_timeout:.*//" "$RUN/gateway.yaml"; echo "drain_timeout: $((RANDOM + 1000))ms" >> "$RUN/gateway.yaml"
