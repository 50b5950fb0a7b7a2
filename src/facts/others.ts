import { type Fact, type SaidTexts, type SeenTexts, splitOnce } from "./fact.ts";
import { groupName } from "./groups.ts";
import { NOBODY, READER_MEMORY } from "./reading.ts";

/** A server of Redis' kind on the host, whatever its name, beside the one that is looked at. */
export interface OtherServer {
  pid: number;
  /** The unit, or other control group, that it belongs to, as `groupName` says it. */
  group: string;
  /** Where it listens in the host's own network, `address port`, and what it said there to PING without a login. */
  listens: readonly { at: string; reply: string }[];
}

/** What root's own look at the running processes finds. */
export interface OthersFact {
  /** Undefined where it was not looked for, or the login may not. */
  servers: readonly OtherServer[] | undefined;
  /** Processes whose programs could not be looked at. */
  unclear: readonly { pid: number; group: string }[];
  /** The look took too long, and was ended. */
  isCut: boolean;
}

/** Every Redis and Valkey writes this in its answer to INFO, so its program holds it; their clients do not. */
const MARK = "redis_git_sha1";
/** Bytes of what a search with another's rights says. */
const SAID_LIMIT = 4 * 1024 * 1024;
/** Processes that are looked at. */
const MAX_PROCESSES = 20_000;

/** Other servers, by what their programs hold: a name, a unit or a container hides none. */
export const othersFact: Fact<OthersFact> = {
  // Where root may not look into other users' processes, as in a container, their own rights do.
  script: ({ prove }) =>
    prove
      ? `
if [ "$ME" = 0 ]; then
  section others-unclear; programs=' ' firsts= readable=' ' seen_all=$NL found= unclear= count=0
  # Each line is of one process, by the names that root gave: the kernel bounds them, and what is left out is told.
  while read -r id path; do
    count=$((count + 1)); if [ $count -gt ${MAX_PROCESSES} ]; then echo cut; break; fi
    path=\${path%/exe}; readable="$readable\${path#/proc/} "; seen_all="$seen_all$id \${path#/proc/}$NL"
    case $programs in *" $id "*) ;; *) programs="$programs$id "; firsts="$firsts $path/exe";; esac
  done <<END
$(stat -L -c '%d:%i %n' /proc/[0-9]*/exe)
END
  # A program may be one long line, which grep keeps. So the mark itself is what it looks at last.
  holders=$(ulimit -v ${READER_MEMORY}; exec timeout -s KILL 10 grep -lsF ${MARK} -- $firsts - <<END
${MARK}
END
  )
  case $NL$holders in *"$NL(standard input)") holders=\${holders%'(standard input)'};; *) echo cut;; esac
  for path in $holders; do
    path=\${path%/exe}; id=\${seen_all%" \${path#/proc/}$NL"*}; id=\${id##*"$NL"}
    while read -r other pid; do if [ "$other" = "$id" ]; then found="$found $pid"; fi; done <<END
$seen_all
END
  done
  owners=$NL count=0
  while read -r uid gid path; do
    count=$((count + 1)); if [ $count -gt ${MAX_PROCESSES} ]; then echo cut; break; fi
    case "$uid $readable" in '0 '*|*" \${path#/proc/} "*) ;; *) owners="$owners$uid $gid \${path#/proc/}$NL";; esac
  done <<END
$(stat -c '%u %g %n' /proc/[0-9]*)
END
  asked=' '
  while read -r uid gid pid; do
    case "$uid$asked" in ' '*|*" $uid:$gid "*) continue;; esac
    asked="$asked$uid:$gid "; set --
    while read -r uid2 gid2 pid2; do if [ "$uid2:$gid2" = "$uid:$gid" ]; then set -- "$@" "/proc/$pid2/exe"; fi; done <<END
$owners
END
    said=$(ulimit -v ${READER_MEMORY}; timeout -s KILL 10 setpriv --reuid="$uid" --regid="$gid" --clear-groups grep -lF ${MARK} -- "$@" 2>&1 | timeout -k 1 12 head -c ${SAID_LIMIT})
    asked_paths=" $* "
    IFS=$NL; set -f; for line in $said; do
      path=/proc/\${line#*/proc/}; path=\${path%%/exe*}
      # Whoever traces a process with his own rights writes in its place: of others' processes he was not asked.
      case $asked_paths in *" $path/exe "*) ;; *) continue;; esac
      case $line in
        "$path/exe") found="$found \${path#/proc/}";;
        *' Permission denied') unclear="$unclear \${path#/proc/}";;
      esac
    done; unset IFS; set +f
  done <<END
$owners
END
  own=; while read -r number name family at rest; do
    case $family$at in inet127.*) ;; inet[0-9]*) own=\${own:-\${at%/*}};; esac
  done <<END
$ADDRESSES
END
  for pid in $unclear; do group_of "$pid"; printf '%s %s\\n' "$pid" "$VALUE"; done
  known=$NL$GROUP$NL
  for u in $sentinels; do show_unit "$u"; shown ControlGroup; known=$known$VALUE$NL; done
  section others; answers=
  for pid in $found; do
    group_of "$pid"; group=$VALUE
    case $known in *"$NL$group$NL"*) continue;; esac
    printf '%s %s\\n' "$pid" "$group"
    while read -r protocol state queued limit at rest; do
      [ "$protocol" = tcp ] && in_group "$group" "$rest" || continue
      port=\${at##*:}; address=\${at%:*}; address=\${address#[}; address=\${address%]}
      case $address in 0.0.0.0|'*'|::) address=\${own:-127.0.0.1};; esac
      plain "$address" && plain "$port" || continue
      answers="$answers$pid $at $(echo PING | timeout -s KILL 3 setpriv ${NOBODY} $CLI -h "$address" -p "$port" 2>&1 | heard 200 | head -n 1)$NL"
    done <<END
$SOCKETS
END
  done
  tell other-replies "$answers"
fi
`
      : "",
  parse: ({ seen, said }) => ({
    servers: seen.text("others") === undefined ? undefined : serversOf(seen, said),
    unclear: seen.lines("others-unclear").flatMap((line) => {
      const [pid, group] = splitOnce(line, " ");
      return pid === "cut" ? [] : [{ pid: Number(pid), group: groupName(group) }];
    }),
    isCut: seen.lines("others-unclear").includes("cut"),
  }),
};

function serversOf(seen: SeenTexts, said: SaidTexts): OtherServer[] {
  const replies = said.lines("other-replies").map((line) => {
    const [pid = "", at = "", ...words] = line.split(" ");
    return { pid, at, reply: words.join(" ") };
  });
  const byProcess = Map.groupBy(replies, ({ pid }) => pid);
  const groups = new Map(seen.lines("others").map((line) => splitOnce(line, " ")));
  return [...groups].map(([pid, group]) => ({
    pid: Number(pid),
    group: groupName(group),
    listens: (byProcess.get(pid) ?? []).map(({ at, reply }) => ({ at, reply })),
  }));
}
