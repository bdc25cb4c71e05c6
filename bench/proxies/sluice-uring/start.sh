#!/bin/bash
SLUICE_LOOP=uring exec "$(dirname "$0")/../sluice/start.sh"
