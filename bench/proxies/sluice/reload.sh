#!/bin/bash
# A change of the file is enough.
sed "s/^drain_timeout:.*/drain_timeout: $((RANDOM % 1000 + 1))ms/" "$RUN/gateway.yaml" > "$RUN/gateway.yaml.new"
mv "$RUN/gateway.yaml.new" "$RUN/gateway.yaml"
