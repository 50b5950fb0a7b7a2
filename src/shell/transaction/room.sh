# shellcheck shell=dash
# A disk that fills up meanwhile must not keep the old files away: there is room for them, and for the
# journal, that nobody else takes. In the folders of others only once a boot would clear it away.
reserve_ours() { head -c 524288 /dev/zero >"$d/room" && sync "$d/room"; }
reserve_here() { [ -e "./.redkeep.$id.room" ] ||
  dd if="$d/room" of="./.redkeep.$id.room" bs=512k oflag=nofollow conv=excl,fsync status=none || return 3; }
# COMMAND...: once in each folder in which a file changes
each_folder() {
  visited=$nl
  missed=0
  while read -r _ p _; do
    folder "$p"
    case $visited in *"$nl$folder$nl"*) continue ;; esac
    visited=$visited$folder$nl
    within "$folder" "$@"
    case $? in 0 | 1) ;; *) missed=1 ;; esac
  done <"$d/files"
  return $missed
}
# PATH of ours...: what goes with it
release() {
  rm -f "$d/room" "$@"
  each_folder clear_here "./.redkeep.$id.room"
}
