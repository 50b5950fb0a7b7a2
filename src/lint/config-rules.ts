import { lintFiles, lintLocks } from "./config/files.ts";
import { lintDuplicates, lintLine } from "./config/lines.ts";
import { lintLogin } from "./config/login.ts";
import { lintMemory } from "./config/memory.ts";
import { lintNetwork } from "./config/network.ts";
import { lintPersistence } from "./config/persistence.ts";
import { lintRenames } from "./config/renames.ts";
import { type ConfigToLint, Settings } from "./config/settings.ts";
import { lintTls } from "./config/tls.ts";
import { lintSentinel, lintTopology } from "./config/topology.ts";
import type { Report } from "./finding.ts";

/** Everything that a redis.conf alone tells. */
export function lintConfig(config: ConfigToLint, report: Report): void {
  const { document } = config;
  const isSentinel = document.all("sentinel").length > 0;
  for (const directive of document.directives) lintLine(directive, config, isSentinel, report);
  lintDuplicates(document, report);
  lintRenames(document, report);
  if (isSentinel) {
    lintSentinel(document, report);
    return;
  }
  const settings = new Settings(config);
  for (const rule of [
    lintLogin,
    lintNetwork,
    lintTls,
    lintLocks,
    lintFiles,
    lintMemory,
    lintPersistence,
    lintTopology,
  ])
    rule(settings, report);
}
