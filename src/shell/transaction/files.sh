# shellcheck shell=dash
# TO
back_up_here() { draw "$name" >"$1"; }
# Owner and mode are set where only root can reach; cp then makes the file anew and gives it both by its
# descriptor. A link that is planted meanwhile is replaced, also one to a folder (-T), and never opened
# (nofollow). What has to be on disk before a file may change: what it becomes, the journal, and the folder of
# the change before: it is kept open as 6.
exec 6<"$d"
flush_here() { dd if=/dev/null of="$1" oflag=nofollow,nonblock conv=nocreat,notrunc,fsync status=none; }
# A temporary name of ours is a file's. A folder under it is somebody's, and goes out of the way, whatever is
# in it.
# NAME
clear_here() {
  if [ -d "$1" ] && [ ! -L "$1" ]; then
    milliseconds
    mv -nT "$1" "$1.others.$ms" && [ ! -d "$1" ]
  elif [ -e "$1" ] || [ -L "$1" ]; then rm -f "$1"; fi
}
is_empty_here() { for entry in ./* ./.[!.]* ./..?*; do
  if [ -e "$entry" ] || [ -L "$entry" ]; then
    return 1
  fi
done; }
# FROM
place_here() {
  t=./.redkeep.$id
  clear_here "$t" && cp -pT --remove-destination "$1" "$t" && flush_here "$t" && settle &&
    mv -fT "$t" "$name" && exec 6<.
}
# FROM TO; after the last one, settle
place() { at "$2" place_here "$1"; }
remove_here() { settle && rm -f "$name" && exec 6<.; }
settle() { sync "$d/journal" /proc/self/fd/6 && exec 6<"$d"; }
# FROM (of ours) TO OWNER:GROUP MODE
swap() { chown "$3" "$1" && chmod "$4" "$1" && place "$1" "$2"; }
# gives all new content its owner and mode, those that are alike in one call
stage() {
  staged=
  while read -r n p o m; do
    case $o in absent) continue ;; esac
    case $staged in *" $o/$m "*) continue ;; esac
    staged="$staged $o/$m "
    set --
    while read -r n p also m2; do
      if [ "$also/$m2" = "$o/$m" ]; then
        set -- "$@" "$d/new/$n"
      fi
    done <"$d/files"
    chown "$o" "$@" && chmod "$m" "$@" || return 1
  done <"$d/files"
}
# N PATH OWNER:GROUP, or `absent`
put() { if [ "$3" = absent ]; then at "$2" remove_here; else place "$d/new/$1" "$2"; fi; }
# N PATH SIGNATURE: as this transaction made it
is_ours() {
  first "$d/new/$1.signature"
  [ "$3" = "$line" ] && return
  # ufw writes its rules anew when it is switched on: the same rules in other words are still ours.
  case $2 in /etc/ufw/*) [ "$(rules "$2")" = "$(rules "$d/new/$1")" ] ;; *) return 1 ;; esac
}
