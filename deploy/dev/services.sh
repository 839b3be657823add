#!/usr/bin/env bash
# A private RabbitMQ and a private Redis for tests, on free loopback ports, as the current user.
#
#   services.sh start|stop|status   [DIR]    both; `start` twice is fine
#   services.sh restart-broker|kill-broker|wipe-broker|restart-redis|kill-redis   [DIR]    for fault tests
#   services.sh install                      the Debian packages, if they are missing
#
# DIR (default: .run/services in the checkout) holds data, logs, credentials, and `services.env`,
# which names where both answer. Ports and credentials stay the same for the life of DIR. `kill-*`
# is a SIGKILL and leaves the service dead: `start` brings it back. `wipe-broker` is a broker that
# has lost everything. Nothing outside DIR is written, and only processes started here are signalled:
# a pid counts only together with the moment at which its process began.
set -euo pipefail

say() { printf 'services: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

command=${1:-}
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
dir=${2:-$here/../../.run/services}

# Debian's /usr/sbin/rabbitmq-server insists on the user `rabbitmq`; the script behind it does not.
rabbit=
for candidate in /usr/lib/rabbitmq/bin/rabbitmq-server /usr/local/sbin/rabbitmq-server /opt/rabbitmq/sbin/rabbitmq-server; do
  [ -x "$candidate" ] && { rabbit=$candidate; break; }
done

install() {
  local missing=()
  [ -n "$rabbit" ] || missing+=(rabbitmq-server)
  command -v redis-server >/dev/null || missing+=(redis-server)
  if [ ${#missing[@]} -eq 0 ]; then say "RabbitMQ and Redis are installed"; return; fi
  local as=()
  [ "$(id -u)" -eq 0 ] || as=(sudo)
  say "installing with apt-get: ${missing[*]}"
  "${as[@]}" apt-get update -qq || say "apt-get update failed; trying with the package lists at hand"
  # The packages would start system-wide services: a policy of "not now" keeps them from it.
  local policy=/usr/sbin/policy-rc.d planted=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as[@]}" tee "$policy" >/dev/null
    "${as[@]}" chmod +x "$policy"
    planted=yes
  fi
  local code=0
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" || code=$?
  [ -z "$planted" ] || "${as[@]}" rm -f "$policy"
  return "$code"
}

# When a process began, in clock ticks since boot; nothing if it is gone or a zombie.
began() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # What follows the name, which may hold anything: state, then the 20th field is the time.
  read -r -a stat <<<"${stat##*) }"
  [ "${stat[0]}" = Z ] || printf %s "${stat[19]}"
}

# Whether the process in a pid file lives and is the one which was started; sets `pid`.
alive() {
  local when
  pid=
  read -r pid when 2>/dev/null <"$1" && [ -n "$when" ] && [ "$(began "$pid")" = "$when" ]
}

answers() { # port, bytes to send, what the reply must hold
  local reply
  reply=$( { exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "$2" >&3 && timeout 2 head -c 64 <&3 | tr -d '\0'; } 2>/dev/null ) || true
  [[ $reply == *"$3"* ]]
}
broker_answers() { alive "$dir/broker.pid" && answers "$amqp_port" 'AMQP\0\0\11\1' capabilities; }
# Redis keeps the connection open: QUIT ends the reply.
redis_answers() { alive "$dir/redis.pid" && answers "$redis_port" 'PING\r\nQUIT\r\n' PONG; }

await() { # name, predicate, pid file, log
  local tries
  for ((tries = 0; tries < 1200; tries++)); do
    "$2" && return
    if ((tries > 20)) && ! alive "$3"; then
      tail -n 20 "$4" >&2 || true
      die "$1 ended while starting; its log: $4"
    fi
    sleep 0.1
  done
  tail -n 20 "$4" >&2 || true
  die "$1 did not answer within two minutes; its log: $4"
}

end() { # name, pid file, signal for its process
  if alive "$2"; then
    local group=-$pid tries
    kill "-$3" -- "$group" 2>/dev/null || true
    for ((tries = 0; tries < 200; tries++)); do
      alive "$2" || break
      sleep 0.1
    done
    if alive "$2"; then
      say "$1 did not stop within 20 s; killing it"
      kill -KILL -- "$group" 2>/dev/null || true
    fi
  fi
  rm -f "$2"
}

random() { head -c 18 /dev/urandom | base64 | tr -d '/+='; }

# Below the range from which the system gives out ports on its own.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 10000))
    [[ " $taken " == *" $port "* ]] && continue
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  taken="$taken $port"
  printf -v "$1" %s "$port"
}

prepare() {
  [ -n "$rabbit" ] || die "RabbitMQ is not installed; run: $0 install"
  command -v redis-server >/dev/null || die "Redis is not installed; run: $0 install"
  if [ ! -s "$dir/settings" ]; then
    local taken=
    free_port amqp_port; free_port dist_port; free_port epmd_port; free_port redis_port
    (umask 077; cat >"$dir/settings.new" <<SETTINGS
amqp_port=$amqp_port
dist_port=$dist_port
epmd_port=$epmd_port
redis_port=$redis_port
user=bowline
password=$(random)
node=bowline-$(random | tr -dc a-z0-9 | head -c 8)@localhost
SETTINGS
    )
    mv "$dir/settings.new" "$dir/settings"
  fi
  # shellcheck source=/dev/null
  . "$dir/settings"
  mkdir -p "$dir/broker" "$dir/redis"
  # Every key here is known to 3.10 and later: an unknown one keeps the node from booting.
  (umask 077; cat >"$dir/broker/rabbitmq.conf" <<CONF
listeners.tcp.local = 127.0.0.1:$amqp_port
default_user = $user
default_pass = $password
log.console = true
log.console.level = warning
log.file = false
CONF
  )
  (umask 077; cat >"$dir/services.env.new" <<ENV
BOWLINE_TEST_AMQP=amqp://$user:$password@127.0.0.1:$amqp_port/%2f
BOWLINE_TEST_REDIS=redis://127.0.0.1:$redis_port
ENV
  )
  printf '[].\n' >"$dir/broker/enabled_plugins"
  : >"$dir/broker/env.conf"
  mv "$dir/services.env.new" "$dir/services.env"
}

# Own session, no terminal, no lock: whatever happens to this script does not happen to the service.
# The pid file is written by the service's own first process, before it becomes the service.
launch() { # pid file, log, command...
  local pid_file=$1 log=$2; shift 2
  rm -f "$pid_file"
  setsid bash -c 'read -r -a stat </proc/$$/stat; echo "$$ ${stat[21]}" >"$1"; shift; exec "$@"' \
    launch "$pid_file" "$@" </dev/null >>"$log" 2>&1 9>&- &
}

start_broker() {
  broker_answers && return
  end RabbitMQ "$dir/broker.pid" KILL
  if ! alive "$dir/epmd.pid"; then
    launch "$dir/epmd.pid" "$dir/epmd.log" env HOME="$dir/broker" \
      epmd -port "$epmd_port" -address 127.0.0.1
  fi
  launch "$dir/broker.pid" "$dir/broker.log" env HOME="$dir/broker" \
    ERL_EPMD_PORT="$epmd_port" ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_NODENAME="$node" RABBITMQ_NODE_PORT="$amqp_port" RABBITMQ_DIST_PORT="$dist_port" \
    RABBITMQ_CONF_ENV_FILE="$dir/broker/env.conf" RABBITMQ_CONFIG_FILE="$dir/broker/rabbitmq" \
    RABBITMQ_ADVANCED_CONFIG_FILE="$dir/broker/advanced.config" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$dir/broker/enabled_plugins" \
    RABBITMQ_GENERATED_CONFIG_DIR="$dir/broker/generated" RABBITMQ_SCHEMA_DIR="$dir/broker/schema" \
    RABBITMQ_MNESIA_BASE="$dir/broker/data" RABBITMQ_LOG_BASE="$dir/broker/log" \
    RABBITMQ_PID_FILE="$dir/broker/beam.pid" \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
    "$rabbit"
}

start_redis() {
  redis_answers && return
  end Redis "$dir/redis.pid" KILL
  launch "$dir/redis.pid" "$dir/redis.log" redis-server --bind 127.0.0.1 --port "$redis_port" \
    --dir "$dir/redis" --daemonize no --appendonly yes --appendfsync always \
    --maxmemory-policy noeviction --save ''
}

start() {
  start_redis
  start_broker
  await Redis redis_answers "$dir/redis.pid" "$dir/redis.log"
  await RabbitMQ broker_answers "$dir/broker.pid" "$dir/broker.log"
}

# The Erlang machine stops politely on SIGTERM; the script around it ends with it.
stop_broker() {
  if alive "$dir/broker.pid"; then
    local beam tries
    beam=$(cat "$dir/broker/beam.pid" 2>/dev/null) || beam=
    if [ -n "$beam" ] && [ "$(ps -o sid= -p "$beam" | tr -d ' ')" = "$pid" ]; then
      kill -TERM "$beam" 2>/dev/null || true
      for ((tries = 0; tries < 200; tries++)); do
        alive "$dir/broker.pid" || break
        sleep 0.1
      done
    fi
    end RabbitMQ "$dir/broker.pid" KILL
  fi
}

case $command in
  install) install; exit ;;
  start|stop|status|restart-broker|kill-broker|wipe-broker|restart-redis|kill-redis) ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 64 ;;
esac

mkdir -p "$dir"
dir=$(cd -- "$dir" && pwd)
exec 9>"$dir/lock"
flock -w 120 9 || die "another $0 has been at work on $dir for two minutes"

if [ "$command" = stop ] || [ "$command" = status ]; then
  [ -s "$dir/settings" ] || { say "nothing was ever started in $dir"; [ "$command" = stop ]; exit; }
  # shellcheck source=/dev/null
  . "$dir/settings"
else
  prepare
fi

case $command in
  start) start ;;
  stop)
    stop_broker
    end Redis "$dir/redis.pid" TERM
    end epmd "$dir/epmd.pid" TERM
    exit ;;
  status)
    code=0
    broker_answers && say "RabbitMQ answers on 127.0.0.1:$amqp_port" || { say "RabbitMQ does not answer"; code=1; }
    redis_answers && say "Redis answers on 127.0.0.1:$redis_port" || { say "Redis does not answer"; code=1; }
    exit "$code" ;;
  restart-broker) stop_broker; start ;;
  kill-broker) end RabbitMQ "$dir/broker.pid" KILL; exit ;;
  wipe-broker) stop_broker; rm -rf "$dir/broker/data"; start ;;
  restart-redis) end Redis "$dir/redis.pid" TERM; start ;;
  kill-redis) end Redis "$dir/redis.pid" KILL; exit ;;
esac
say "RabbitMQ and Redis answer; where: $dir/services.env"
