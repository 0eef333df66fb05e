import type { Browser } from "puppeteer-core";
import { renderChart } from "../../../bench/report/chart.ts";
import { buildReport } from "../../../bench/report/page.ts";
import { cellRuns, levelColours, levelName, mapChart } from "../../../bench/report/maps.ts";
import { someRows } from "../../support/report_rows.ts";
import { findChromium, NO_CHROMIUM, startChromium } from "../../support/chromium.ts";
import { testWith } from "../../support/skip.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import pageFacts from "./report_browser_facts.js" with { type: "text" };

const path = await findChromium();

/** Writes a report with every section to a file, and gives its address. */
async function writeReport(): Promise<string> {
  const levels = Array.from({ length: 16 * 32 }, (_, i) => [0, 0, 1, 2, 4, 8][(i * 7 + (i >> 5) * 3) % 6]);
  const runs = cellRuns(levels.map(levelName), { columns: 32 });
  const frame = {
    title: "levels",
    colours: levelColours(levels),
    xTitle: "key block",
    yTitle: "query block",
  };
  const svg = await renderChart(mapChart(runs, frame));
  const rows = someRows();
  const { html } = await buildReport({
    rows,
    columns: [
      { heading: "case", cell: (row) => row.case },
      { heading: "density", cell: (row) => row.density },
      { heading: "rel_l2", cell: (row) => row.rel_l2 },
    ],
    environment: { command: "deno task sweep", adapter: "none" },
    maps: [{ name: "levels", svg, caption: "Levels.", alternative: "A map of levels." }],
  });
  const file = await Deno.makeTempFile({ suffix: ".html" });
  await Deno.writeTextFile(file, html);
  return file;
}

/** What tests/bench/report/report_browser_facts.js finds in the page. */
interface PageFacts {
  charts: number;
  empty: number;
  unnamed: number;
  overlaps: string[];
  scrollsSideways: boolean;
  lightInk: boolean;
  densities: number[];
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
  const { densities, ...facts } = await page.evaluate(pageFacts) as PageFacts;
  assertEquals(facts, {
    charts: 5,
    empty: 0,
    unnamed: 0,
    overlaps: [],
    scrollsSideways: false,
    lightInk: theme === "dark",
  }, `at width ${width} in the ${theme} theme`);
  assert(densities.length > 5);
  assertEquals(densities, densities.toSorted((a, b) => a - b), "a press on a heading sorts");
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
