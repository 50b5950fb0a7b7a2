import { readdirSync } from "node:fs";
import { extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { programDirectory } from "../lib/package.ts";
import type { TaskDefinition } from "../tasks/task.ts";

/** All tasks: each file in src/tasks is a task with the file's name. The folders there hold parts of tasks. */
const directory = join(programDirectory, "tasks");
const extension = extname(import.meta.filename);

export function taskNames(): string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith(extension) && file !== `task${extension}`)
    .map((file) => file.slice(0, -extension.length))
    .sort();
}

export async function loadTask(name: string): Promise<TaskDefinition> {
  const module: { default: TaskDefinition } = await import(
    pathToFileURL(join(directory, name + extension)).href
  );
  return module.default;
}
