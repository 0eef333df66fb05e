import { MISTAKES } from "../../fixtures/conformance/deviations/catalogue.ts";
import { STAGE_MISTAKES } from "../../fixtures/conformance/deviations/stages/catalogue.ts";
import { assert, assertEquals } from "../support/assert.ts";

const ROOT = new URL("../../", import.meta.url);
const SECTIONS =
  "notation pyramid attention importance levels cap density segments orders gradients departures accuracy"
    .split(" ");

/** The files of the project that people write, by their paths from the root. */
async function writtenFiles(folder = ""): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
    if (/^(\.git|node_modules|results|data|cov)$/.test(name)) continue;
    const path = folder + name;
    if (isDirectory) { for (const [at, text] of await writtenFiles(path + "/")) files.set(at, text); }
    else if (/\.(ts|wgsl|md|py|c|js)$/.test(name)) {
      files.set(path, await Deno.readTextFile(new URL(path, ROOT)));
    }
  }
  return files;
}

/** The anchors of a page: its headings as GitHub writes them. */
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")
  );
}

const files = await writtenFiles();
const definition = files.get("docs/definition.md") ?? "";

Deno.test("definition: its twelve sections stand in order", () => {
  assertEquals([...definition.matchAll(/^## (.*)$/gm)].map(([, title]) => title.toLowerCase()), SECTIONS);
});

Deno.test("definition: every anchor of a page that is named anywhere exists", () => {
  let named = 0;
  for (const [path, text] of files) {
    for (const [whole, page, list] of text.matchAll(/([\w./-]*\.md)((?:(?: and | )?#[a-z][\w-]*)+)/g)) {
      const name = page.slice(page.lastIndexOf("/") + 1);
      const target = [...files].find(([at]) => at === page || at === `docs/${name}` || at === name)?.[1];
      assert(target !== undefined, `${path} names ${whole}; there is no such page.`);
      for (const [, anchor] of list.matchAll(/#([\w-]+)/g)) {
        assert(
          anchorsOf(target).includes(anchor),
          `${path} names ${page}#${anchor}; there is no such heading.`,
        );
        named++;
      }
    }
  }
  assert(named > 60, `only ${named} anchors were found`);
});

Deno.test("definition: sections of planted mistakes are its anchors", () => {
  for (const { name, sections } of [...MISTAKES, ...STAGE_MISTAKES]) {
    for (const section of sections.split(", ")) {
      assert(SECTIONS.includes(section), `"${name}" names the section ${section}; there is none.`);
    }
  }
});

Deno.test("definition: nothing names its sections by number", () => {
  for (const [path, text] of files) assert(!/\bSPEC sections? \d/.test(text), path);
});
