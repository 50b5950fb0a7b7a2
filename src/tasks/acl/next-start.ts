import type { AclUser } from "../../redis/acl-user.ts";
import { foundUsers, unreadAclFile, usersAtStart } from "../../redis/found-users.ts";
import type { Context } from "./parameters.ts";

export const NEXT = "after the next restart";

/** Where what is observed was seen; the file is named where only it says so. */
export function aclSource({ server }: Context, isOfFile: boolean): string {
  return isOfFile ? `ACL LIST, and ${server.config.get("aclfile")?.[0] ?? server.configPath}` : "ACL LIST";
}

/** Users as the next start has them; none that could be told apart from those of now where the ACL file was not read. */
export function usersNext(context: Context): ReadonlyMap<string, AclUser> {
  return unreadAclFile(context) === undefined ? usersAtStart(context) : foundUsers(context);
}
