// Shows the maps of the method that is chosen; places that have none of it stay as they are.
for (const choice of document.querySelectorAll(".switch input")) {
  choice.addEventListener("change", () => {
    for (const place of document.querySelectorAll(".place")) {
      const figures = [...place.querySelectorAll("figure[data-method]")];
      if (!figures.some((figure) => figure.dataset.method === choice.value)) continue;
      for (const figure of figures) figure.hidden = figure.dataset.method !== choice.value;
    }
  });
}
