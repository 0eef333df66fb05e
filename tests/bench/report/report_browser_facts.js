// Runs inside the report's page: what the test wants to know of it, as one object.
(() => {
  const drawings = [...document.querySelectorAll("figure svg")];
  const overlaps = [];
  for (const drawing of drawings) {
    const texts = [...drawing.querySelectorAll("text")].filter((text) =>
      text.textContent.trim() !== "" && getComputedStyle(text).opacity !== "0"
    );
    const boxes = texts.map((text) => text.getBoundingClientRect());
    for (let i = 0; i < boxes.length; i++) {
      for (let j = i + 1; j < boxes.length; j++) {
        const across = Math.min(boxes[i].right, boxes[j].right) - Math.max(boxes[i].left, boxes[j].left);
        const down = Math.min(boxes[i].bottom, boxes[j].bottom) - Math.max(boxes[i].top, boxes[j].top);
        if (across > 1 && down > 1) overlaps.push(`${texts[i].textContent} / ${texts[j].textContent}`);
      }
    }
  }
  const root = document.documentElement;
  const ink = Number(getComputedStyle(drawings[0].querySelector("text")).fill.match(/\d+/)[0]);
  const table = document.querySelector("table"), headings = [...table.querySelectorAll("th")];
  headings.find((heading) => heading.textContent === "error").querySelector("button").click();
  const shown = () =>
    [...document.querySelectorAll("figure[data-method]")].filter((figure) => figure.offsetParent !== null)
      .map((figure) => figure.dataset.method);
  const seen = shown();
  document.querySelector('.switch input[value="block-topk"]').click();
  const switched = shown(), count = drawings.length;
  const grid = document.querySelector(".charts"), alone = grid.cloneNode(true);
  while (alone.children.length > 1) alone.lastElementChild.remove();
  grid.after(alone);
  const width = (element) => element.getBoundingClientRect().width;
  const aloneFills = width(alone.firstElementChild) / width(alone) > 0.99;
  alone.remove();
  return {
    charts: count,
    aloneFills,
    empty: drawings.filter((drawing) => drawing.querySelectorAll("path, rect").length < 5).length,
    unnamed: drawings.filter((drawing) => !drawing.getAttribute("aria-label")).length,
    overlaps,
    scrollsSideways: root.scrollWidth > root.clientWidth,
    lightInk: ink > 128,
    seen,
    switched,
    hiddenColumns: headings.slice(0, 4).filter((heading) =>
      heading.getBoundingClientRect().right > root.clientWidth
    )
      .map((heading) => heading.textContent),
    errors: [...table.querySelectorAll("tbody tr")].map((row) => Number(row.children[1].dataset.value)),
  };
})();
