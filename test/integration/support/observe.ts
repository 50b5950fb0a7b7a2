/** Looks at a lab host from inside, without redkeep. */
import type { LabHost } from "./lab.ts";

/** Runs a script as root and returns its stdout without the last newline. Throws for another exit status than 0. */
export async function onHost(host: LabHost, script: string, input?: string): Promise<string> {
  const { status, stdout, stderr } = await host.sh(script, input);
  if (status !== 0) throw new Error(`${script}: exit status ${status}: ${stdout}${stderr}`);
  return stdout.replace(/\n$/, "");
}

/**
 * Does something on a host as soon as a shell condition holds there, and returns what both wrote; throws where it does not hold
 * within two minutes. Between two looks no program starts but the condition's own: some moments of a transaction last only a hundredth
 * of a second. Until there is one, the run that leads to it has the processor.
 */
export async function asSoonAs(host: LabHost, condition: string, action: string): Promise<string> {
  const looks = `until ${condition}; do set -- /var/lib/redkeep/txn/*; [ -e "$1" ] || sleep 0.01; done`;
  return await onHost(host, `timeout 120 sh -s || exit 1; ${action}`, looks);
}

/** Which process Redis is: another one after any restart. */
export async function redisProcess(host: LabHost): Promise<string> {
  return await onHost(host, "systemctl show -p MainPID -p InvocationID -p NRestarts redis-server");
}

/** Every file under /etc and of Redis: kind, owner, mode and digest, a line for each. */
export async function filesOf(host: LabHost, { times = false } = {}): Promise<string> {
  const time = times ? "%T@ " : "";
  return await onHost(
    host,
    `find /etc /var/lib/redis /var/log/redis /var/lib/redkeep ! -name redis-server.log ! -name '*.rdb' ! -path '/var/lib/redis' \\
       -printf '%p %y %u:%g %m ${time}%l\\n' 2>/dev/null | sort
     find /etc -type f -exec sha256sum {} + | sort -k 2`,
  );
}

/**
 * What redkeep could leave behind: its units and timers, its folders, a transaction that waits, temporary files. It makes no link
 * under such a name: that is an attacker's, who may plant it at any time.
 */
export async function residueOf(host: LabHost): Promise<string> {
  return await onHost(
    host,
    `systemctl list-units --all --plain --no-legend 'redkeep*' | grep -v '^redkeep-recover.service .* inactive '
     ls -d /run/redkeep* /var/lib/redkeep/pending 2>/dev/null
     find /etc /var/lib/redis -name '.redkeep*' ! -type l
     true`,
  );
}

/** Fills database 0 with `count` strings by one script: `NAME:1` holds `value 1`. */
export async function fill(host: LabHost, name: string, count: number): Promise<void> {
  const script = "for i = 1, ARGV[2] do redis.call('SET', ARGV[1] .. ':' .. i, 'value ' .. i) end";
  await host.redis("EVAL", script, "0", name, `${count}`);
}
