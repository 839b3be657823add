#!/usr/bin/env bash
# Runs a command with a private RabbitMQ and a private Redis, and ends both afterwards, whatever
# happens:
#
#   with-services.sh COMMAND [ARGUMENT…]
#
# The command finds them through BOWLINE_TEST_AMQP and BOWLINE_TEST_REDIS. All data is in a
# temporary folder; when the command fails, the services' logs are kept and named.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/bowline.XXXXXX")

finish() {
  local code=$?
  trap - EXIT INT TERM
  "$here/services.sh" stop "$dir" || printf 'with-services: could not stop the services in %s\n' "$dir" >&2
  if [ "$code" -eq 0 ]; then
    rm -rf -- "$dir"
  else
    printf 'with-services: the logs of RabbitMQ and Redis are in %s\n' "$dir" >&2
  fi
  exit "$code"
}
trap finish EXIT
# A signal ends the command (it is in our process group) and then us, through the trap above.
trap 'exit 130' INT
trap 'exit 143' TERM

"$here/services.sh" start "$dir"
set -a
# shellcheck source=/dev/null
. "$dir/services.env"
set +a
"$@"
