import type { Browser } from "puppeteer-core";
import { buildReport } from "../../../bench/report/page.ts";
import { drawLevels, drawMass } from "../../../bench/report/maps/level_maps.ts";
import { someRows } from "../../support/report_rows.ts";
import { findChromium, NO_CHROMIUM, startChromium } from "../../support/chromium.ts";
import { testWith } from "../../support/skip.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import pageFacts from "./report_browser_facts.js" with { type: "text" };

const path = await findChromium();

/** Writes a report with every section to a file, and gives its address. */
async function writeReport(): Promise<string> {
  const shape = [1, 1, 16, 32], place = "trace-a, head 0", name = "a";
  const levels = Int32Array.from(
    { length: 16 * 32 },
    (_, i) => [0, 0, 1, 2, 4, 8][(i * 7 + (i >> 5) * 3) % 6],
  );
  const mass = Float64Array.from(levels, (level) => level / 64);
  const grid = { width: 16, height: 8, depth: 4 };
  const maps = ["psa", "block-topk"].flatMap((method) =>
    drawLevels({ place, name, method, density: 0.1, levels: { data: levels, shape }, blockN: 16, grid })
  );
  const rows = someRows();
  const { html } = await buildReport({
    rows,
    columns: [
      { heading: "case", cell: (row) => row.case },
      { heading: "density", cell: (row) => row.density },
      { heading: "rel_l2", cell: (row) => row.rel_l2 },
    ],
    environment: { command: `deno task sweep ${"--filter long ".repeat(40)}`, adapter: "llvmpipe" },
    maps: [drawMass({ place, name, mass: { data: mass, shape } }), ...maps],
  });
  const file = await Deno.makeTempFile({ suffix: ".html" });
  await Deno.writeTextFile(file, html);
  return file;
}

/** The facts that tests/bench/report/report_browser_facts.js finds in the page. */
interface PageFacts {
  charts: number;
  aloneFills: boolean;
  empty: number;
  unnamed: number;
  overlaps: string[];
  scrollsSideways: boolean;
  lightInk: boolean;
  seen: string[];
  switched: string[];
  hiddenColumns: string[];
  errors: number[];
}

/** Opens the report at one width in one theme, and checks what it finds there. */
async function look(browser: Browser, file: string, { width, theme }: { width: number; theme: string }) {
  const page = await browser.newPage();
  const fetched: string[] = [], logged: string[] = [];
  page.on("request", (request) => fetched.push(request.url()));
  page.on("console", (message) => logged.push(message.text()));
  page.on("pageerror", (error) => logged.push(String(error)));
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
  await page.goto(`file://${file}`);
  const { errors, ...facts } = await page.evaluate(pageFacts) as PageFacts;
  assertEquals(facts, {
    charts: 13, // two inputs: error, speed-up, two fronts; mass, and levels and frames of two methods
    aloneFills: true, // a chart alone in its section uses the page's width
    empty: 0,
    unnamed: 0,
    overlaps: [],
    scrollsSideways: false,
    lightInk: theme === "dark",
    seen: ["psa", "psa"],
    switched: ["block-topk", "block-topk"],
    hiddenColumns: [],
  }, `at width ${width} in the ${theme} theme`);
  assert(errors.length > 5);
  assertEquals(errors, errors.toSorted((a, b) => a - b), "a press on a heading sorts");
  assertEquals(fetched.filter((url) => !url.startsWith("data:")), [`file://${file}`], "nothing is fetched");
  assertEquals(logged, [], "nothing is logged");
  await page.close();
}

testWith({ here: path !== null, lack: NO_CHROMIUM }, {
  name: "report: in Chromium, at desktop and phone width, light and dark",
  sanitizeOps: false, // the browser's own process and sockets close a little after `close` resolves
  sanitizeResources: false,
  fn: async () => {
    const file = await writeReport();
    const browser = await startChromium(path!);
    try {
      for (const width of [1280, 390]) {
        for (const theme of ["light", "dark"]) await look(browser, file, { width, theme });
      }
    } finally {
      await browser.close();
      await Deno.remove(file);
    }
  },
});
