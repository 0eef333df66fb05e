/**
 * The section of maps: for each head the levels beside the true mass, and the frames, with a switch between methods.
 *
 * @module
 */
import { escapeHtml, figure } from "../html.ts";
import type { ReportChart } from "../sections/sections.ts";

/**
 * Maps as HTML: those of one place stand together. Of several methods the first is shown; the switch shows another.
 *
 * @param maps level maps, true masses and frames
 *
 * @example
 * ```ts
 * import { mapSection } from "./map_section.ts";
 * console.log(mapSection([]) === ""); // true
 * ```
 */
export function mapSection(maps: readonly ReportChart[]): string {
  const methods = [...new Set(maps.flatMap(({ method }) => method ?? []))];
  const places = [...Map.groupBy(maps, ({ place }) => place ?? "").values()].map((own) => {
    const first = own.find(({ method }) => method !== undefined)?.method;
    const figures = (kind: RegExp) =>
      own.filter(({ name }) => kind.test(name)).map((map) => {
        const hidden = map.method !== undefined && map.method !== first;
        return figure(map.svg, { ...map, hidden });
      });
    const [beside, frames] = [[...figures(/^levels/), ...figures(/^mass/)], figures(/^frames/)];
    return `<div class="place"><div class="charts">${[...beside, ...frames].join("\n")}</div></div>`;
  });
  return places.length === 0 ? "" : [methods.length > 1 ? methodSwitch(methods) : "", ...places].join("\n");
}

/** Buttons, one of which is pressed. */
function methodSwitch(methods: readonly string[]): string {
  const buttons = methods.map((method, i) =>
    `<label><input type="radio" name="mapped-method" value="${escapeHtml(method)}"${
      i === 0 ? " checked" : ""
    }> ` +
    `${escapeHtml(method)}</label>`
  );
  return `<fieldset class="switch"><legend>Method</legend>${buttons.join("")}</fieldset>`;
}
