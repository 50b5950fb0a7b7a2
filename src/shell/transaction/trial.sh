# shellcheck shell=dash
validate() {
  [ -f "$d/scratch/redis.conf" ] || return 0
  run=/run/redkeep-$id/scratch
  cp -rT "$d/scratch" "$run" || return 1
  if [ -n "$SCRATCH_BASE" ]; then
    cat "$d/new/$SCRATCH_BASE" "$d/scratch/redis.conf" >"$run/redis.conf" || return 1
  fi
  # the folder last: until then nobody comes in
  chown -h "$RUNUSER:$RUNGROUP" "$run"/* "$run" || return 1
  # Any process of its user's may take hold of what it prints to, and keep it: so that is a pipe, which is
  # read to an end.
  mkfifo "$d/scratch.pipe" || return 1
  timeout -k 1 31 head -c 65536 "$d/scratch.pipe" >>"$d/scratch.log" 9>&- &
  reader=$!
  reply=
  set --
  # shellcheck source=/dev/null
  . "$d/scratch.properties"
  if timeout 30 systemd-run -q --collect --unit="redkeep-scratch-$id" --description=redkeep \
    -p Type=notify -p TimeoutStartSec=20 \
    "$@" -p "StandardOutput=append:$d/scratch.pipe" -p "StandardError=append:$d/scratch.pipe" \
    "$BIN" "$run/redis.conf" --supervised systemd --daemonize no 9>&- 2>>"$d/scratch.log"; then
    endpoint="-s $run/redis.sock"
    client=$RUNUSER:$RUNGROUP
    auth=
    reply=$(converse PING 1000)
    systemctl stop "redkeep-scratch-$id" 2>/dev/null
  fi
  # also where nobody has written, it comes to its end
  : <>"$d/scratch.pipe"
  wait $reader
  case $reply in PONG | NOAUTH*) return 0 ;; esac
  echo "$reply" >>"$d/scratch.log"
  return 1
}
