import { Argument, type Command } from "commander";
import type { Environment } from "../run/options.ts";
import { addGroup, connectionOptions, inventoryOption, type Raw, variableOption } from "./options.ts";
import { hereOf, runOptions } from "./run-options.ts";
import { addVaultOptions } from "./vault-options.ts";

/** The commands that are about redkeep itself. They see all others, so they are added last. */
export function addGuidance(program: Command, environment: Environment, done: (code: number) => void): void {
  const examining = program
    .command("doctor")
    .description("say what this machine and a host lack, and what to do; changes nothing")
    .argument("[host]", "a host of the inventory, to log in to once; without one, none is reached");
  addGroup(examining, "Which hosts:", [inventoryOption(), variableOption()]);
  addGroup(examining, "Connection:", connectionOptions());
  addVaultOptions(examining);
  examining.addHelpText(
    "after",
    "\nExamples:\n  redkeep doctor\n  redkeep doctor redis-01 -i inventory/production.yml\n",
  );
  examining.action(async (host: string | undefined, raw: Raw) => {
    const run =
      host === undefined ? undefined : await runOptions(undefined, { ...raw, limit: host }, environment);
    const here = run ?? (await hereOf(raw, environment));
    const { inventory, extraVars, vault } = here;
    const { mergesMappings } = here.settings;
    const privateKey = (raw.privateKey as string | undefined) ?? here.settings.privateKey;
    const { doctor } = await import("../commands/doctor.ts");
    const [knownHosts, state] = [raw.knownHosts as string | undefined, raw.state as string | undefined];
    const question = { knownHosts, state, inventory, extraVars, privateKey, vault, mergesMappings, run };
    done(await doctor(question, environment));
  });

  program
    .command("completion")
    .description("print the script by which your shell completes redkeep's words")
    .addArgument(new Argument("<shell>", "whose script").choices(["bash", "zsh", "fish"]))
    .addHelpText(
      "after",
      "\nExamples:\n  source <(redkeep completion bash)      (in ~/.bashrc; the same with zsh in ~/.zshrc, behind compinit)\n  redkeep completion fish >~/.config/fish/completions/redkeep.fish\n",
    )
    .action(async (shell: string) => {
      const { completionOf } = await import("./completion/completion.ts");
      environment.stdout.write(completionOf(program, shell));
      done(0);
    });

  program
    .command("help")
    .description("explain a command, or print a page of the documentation")
    .argument("[topic]", "a command or a topic; without one, all are listed")
    .addHelpText("after", "\nExamples:\n  redkeep help apply\n  redkeep help guards | less\n")
    .action(async (topic: string | undefined) => {
      const command = program.commands.find((one) => one.name() === topic);
      if (command !== undefined) {
        command.outputHelp();
        return done(0);
      }
      if (topic === undefined) program.outputHelp();
      const { help } = await import("../commands/help.ts");
      const names = program.commands.map((one) => one.name());
      done(help(topic, names, environment));
    });
}
