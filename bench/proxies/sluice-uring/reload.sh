#!/bin/bash
exec "$(dirname "$0")/../sluice/reload.sh"
