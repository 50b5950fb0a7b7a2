import { hkdfSync } from "node:crypto";
import { Secret } from "../lib/secret.ts";

/**
 * The only type with which a password is sent to a server in clear text: the probe and the host's program log in with it.
 * A compromised Redis reads the password on its socket, so it must not work on any other server. Only the three functions
 * below make a `ServerLogin`, and each says how it ensures that.
 */
export class ServerLogin {
  readonly user: string;
  /** `own`: made for this server. `operator`: the playbook's. `shared`: from before servers had their own. */
  readonly kind: "own" | "operator" | "shared";
  /** Private, so that a plain pair of user and password has the wrong type. */
  readonly #password: Secret;

  private constructor(user: string, password: Secret, kind: ServerLogin["kind"]) {
    this.user = user;
    this.#password = password;
    this.kind = kind;
  }

  /** The generated password of this server: see `ownPassword`. */
  static own(user: string, key: Secret, server: string): ServerLogin {
    return new ServerLogin(user, ownPassword(key, user, server), "own");
  }

  /** What the playbook brings by env, file or command. Where servers share one, the run says so (see `sharedLogins`). */
  static operator(user: string, password: Secret): ServerLogin {
    return new ServerLogin(user, password, "operator");
  }

  /**
   * The password that earlier versions gave to all servers. It still works on those that have it, so it is sent only to a
   * server whose ACL file has its hash, and only in the run that replaces it there.
   */
  static shared(user: string, password: Secret): ServerLogin {
    return new ServerLogin(user, password, "shared");
  }

  get password(): Secret {
    return this.#password;
  }
}

/**
 * The password of a user on one server: HKDF-SHA256 of the state's key, 32 bytes in base64url. From one of them neither
 * the key nor another follows.
 *
 * `server` is the inventory's name for it. Nothing that the host says may stand in its place: a host that claims another's
 * machine-id or address would be shown that one's password. An SSH host key would be the host's own, but clones of one
 * image share it, and two controllers that know keys of different types would not agree.
 */
export function ownPassword(key: Secret, user: string, server: string): Secret {
  const info = JSON.stringify(["redkeep password", user, server]);
  return new Secret(Buffer.from(hkdfSync("sha256", key.reveal(), "", info, 32)).toString("base64url"));
}
