import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageDirectory } from "../lib/package.ts";
import { render, type TemplateData } from "../lib/template.ts";

/** Renders `templates/NAME`: the file beside the playbook if there is one, else redkeep's own. */
export function templateRenderer(playbookDirectory: string): (name: string, data: TemplateData) => string {
  const texts = new Map<string, { text: string; path: string }>();
  return (name, data) => {
    let template = texts.get(name);
    if (template === undefined) {
      const own = join(playbookDirectory, "templates", name);
      const beside = join(playbookDirectory, "..", "templates", name);
      const path =
        [own, beside].find((candidate) => existsSync(candidate)) ?? join(packageDirectory, "templates", name);
      template = { text: readFileSync(path, "utf8"), path };
      texts.set(name, template);
    }
    return render(template.text, data, template.path);
  };
}
