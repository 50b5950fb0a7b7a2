/** A directory of Redis' own, such as /etc/redis or /srv/valkey/data: never /etc, /var/log or /srv themselves. */
export function isRedisOwn(directory: string): boolean {
  const [root, first, ...below] = directory.split("/");
  return (
    root === "" && first !== "" && below.some((name) => /redis|valkey/i.test(name)) && !below.includes("..")
  );
}
