import type { Report } from "../finding.ts";
import type { Settings } from "./settings.ts";

export function lintLocks(settings: Settings, report: Report): void {
  for (const name of ["enable-debug-command", "enable-module-command", "enable-protected-configs"]) {
    const value = settings.word(name, "no");
    if (value !== "no")
      report(
        settings.place(name),
        "RK-CMD-01",
        `${name} ${value} lets whoever has the command run code or write files${value === "local" ? ", from the host itself" : ""}`,
        `${name} no`,
        value === "local" ? "medium" : undefined,
      );
  }
  for (const module of settings.document.all("loadmodule")) {
    const path = module.args[0] ?? "";
    const isOpen = isOpenToAll(path);
    report(
      module,
      "RK-CMD-02",
      isOpen ? `every user of the host may put another module at ${path}` : `${path} runs inside the server`,
      isOpen
        ? "load it from a directory that only root may write"
        : "make sure that only root may write it, and that it is still needed",
      isOpen ? "critical" : "low",
    );
  }
}

/** Directories in which every user may make files. */
function isOpenToAll(path: string): boolean {
  return /^\/(tmp|var\/tmp|dev\/shm)(\/|$)/.test(path);
}

/** Directories that a web server, sshd or cron reads: a file there runs code, or logs somebody in. */
function isObeyed(path: string): boolean {
  return (
    /^\/(var\/www|srv\/(www|http)|usr\/share\/(nginx|httpd|apache2?)|etc|root|var\/spool\/cron)(\/|$)/.test(
      path,
    ) || /\/(\.ssh|htdocs|public_html|wwwroot|html)(\/|$)/.test(path)
  );
}

export function lintFiles(settings: Settings, report: Report): void {
  const directory = settings.text("dir");
  if (isOpenToAll(directory) || isObeyed(directory))
    report(
      settings.place("dir"),
      "RK-SYS-04",
      isOpenToAll(directory)
        ? `every user of the host may replace the data in ${directory}, and a reboot may empty it`
        : `${directory} is read by others: a snapshot there can become a web page, a key or a job`,
      "dir /var/lib/redis",
    );
  for (const name of ["dbfilename", "appendfilename"])
    if (settings.text(name).includes("/"))
      report(
        settings.place(name),
        "RK-FILE-01",
        `${name} is a name, not a path: Redis does not start`,
        "put the directory into dir",
      );
  const file = settings.text("dbfilename");
  if (/^(authorized_keys|root|crontab)$|\.(php|jsp|aspx?|so|sh|py|cgi)$/.test(file))
    report(
      settings.place("dbfilename"),
      "RK-SYS-04",
      `"${file}" is a name that others run or obey`,
      "dbfilename dump.rdb",
    );
  const log = settings.text("logfile");
  if (isOpenToAll(log) || isObeyed(log))
    report(
      settings.place("logfile"),
      "RK-SYS-05",
      `others may read or replace the log in ${log}`,
      "logfile /var/log/redis/redis-server.log",
    );
  if (
    settings.word("daemonize") === "yes" &&
    log === "" &&
    settings.word("syslog-enabled") !== "yes" &&
    settings.isWhole
  )
    report(
      settings.place("daemonize"),
      "RK-SYS-05",
      "a daemon without a logfile writes its log to /dev/null",
      "set logfile or syslog-enabled yes",
    );
  if (settings.word("loglevel") === "debug")
    report(
      settings.place("loglevel"),
      "RK-SYS-05",
      "the debug log buries what matters and fills the disk",
      "loglevel notice",
      "low",
    );
  if (settings.word("hide-user-data-from-log") === "no")
    report(
      settings.place("hide-user-data-from-log"),
      "RK-SYS-06",
      "crash reports hold keys and values",
      "hide-user-data-from-log yes",
    );
}
