#!/bin/bash
SLUICE_LOOP=epoll exec "$(dirname "$0")/../sluice/start.sh"
