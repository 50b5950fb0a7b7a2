# shellcheck shell=dash
in_group() {
  case $2 in *cgroup:*) ;; *) return 1 ;; esac
  case "${2#*cgroup:} " in "${1:-none} "*) ;; *) return 1 ;; esac
}
made_by() {
  case " ${2%%cgroup:*}" in *" uid:$1 "*) ;; *' uid:'*) return 1 ;; *) [ "$1" = 0 ] ;; esac
}
