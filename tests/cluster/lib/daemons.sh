# Starting and ending daemons by recorded pid; sourced. Uses $dir, the folder of the state.
#
# A pid file holds the pid and the kernel's start time of that process, so that a number that was given to
# another process since is never signalled. Each daemon leads a session, and what it started in it ends with it.

# start_time PID: the process' start in clock ticks since boot; nothing when there is none.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # The name may hold blanks and brackets: what follows the last bracket is counted.
  set -- ${stat##*) }
  [ "$1" = Z ] || echo "${20}"
}

# start_daemon NAME COMMAND...: in a session of its own, output to logs/NAME.log. One that runs is left alone.
start_daemon() {
  local name=$1
  shift
  ! is_running "$name" || return 0
  mkdir -p "$dir/logs" "$dir/pids"
  setsid "$@" >>"$dir/logs/$name.log" 2>&1 </dev/null 9>&- &
  echo "$! $(start_time $!)" >"$dir/pids/$name"
}

is_running() {
  local pid start
  [ -s "$dir/pids/$1" ] || return 1
  read -r pid start <"$dir/pids/$1"
  [ -n "$start" ] && [ "$(start_time "$pid")" = "$start" ]
}

# stop_daemon NAME: SIGTERM, and SIGKILL after ten seconds.
stop_daemon() {
  local name=$1 pid start waited=0
  if is_running "$name"; then
    read -r pid start <"$dir/pids/$name"
    kill -TERM -- "-$pid" 2>/dev/null || true
    while is_running "$name"; do
      [ $((waited += 1)) -lt 200 ] || kill -KILL -- "-$pid" 2>/dev/null || true
      sleep 0.05
    done
  fi
  rm -f "$dir/pids/$name"
}

# kill_daemon NAME: SIGKILL at once, for what has nothing to put in order.
kill_daemon() {
  local name=$1 pid start
  if is_running "$name"; then
    read -r pid start <"$dir/pids/$name"
    kill -KILL -- "-$pid" 2>/dev/null || true
    while is_running "$name"; do sleep 0.02; done
  fi
  rm -f "$dir/pids/$name"
}

# wait_for NAME SECONDS COMMAND...: until the command succeeds; fails with the end of NAME's log when the daemon of
# that name ends or the time is over.
wait_for() {
  local name=$1 deadline=$((SECONDS + $2)) output
  shift 2
  until output=$("$@" 2>&1); do
    if [ -e "$dir/pids/$name" ] && ! is_running "$name"; then
      say "$name ended; the end of its log ($dir/logs/$name.log):"
      tail -n 15 "$dir/logs/$name.log" >&2
      return 1
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "$name: not ready in time; the last answer to '$*' was: $output"
      [ ! -e "$dir/logs/$name.log" ] || tail -n 15 "$dir/logs/$name.log" >&2
      return 1
    fi
    sleep 0.1
  done
}
