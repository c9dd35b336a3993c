"use strict";
(() => {
  const bar = document.getElementById("filters");
  if (!bar) return;
  const items = [...document.querySelectorAll("#changed .item")].map((node) => ({
    node,
    slices: node.dataset.slices.split("|"),
    text: node.textContent.toLowerCase(),
    answers: [...node.querySelectorAll(".answer")],
  }));
  const shown = document.getElementById("shown");
  const field = (name) => bar.elements[name].value;

  const apply = () => {
    const variant = field("variant"), slice = field("slice"), outcome = field("outcome");
    const words = field("words").trim().toLowerCase();
    let itemCount = 0, answerCount = 0;
    for (const item of items) {
      const candidate = (!slice || item.slices.includes(slice)) && (!words || item.text.includes(words));
      let visible = 0;
      for (const answer of item.answers) {
        const match = candidate
          && (!variant || answer.dataset.variant === variant)
          && (!outcome || answer.dataset.outcome === outcome);
        answer.hidden = !match;
        visible += match;
      }
      item.node.hidden = !visible;
      itemCount += visible > 0;
      answerCount += visible;
    }
    shown.textContent = `${answerCount} answer${answerCount === 1 ? "" : "s"} on ${itemCount} item${itemCount === 1 ? "" : "s"}`;
  };

  bar.hidden = false;
  bar.addEventListener("input", apply);
  bar.addEventListener("submit", (event) => event.preventDefault());
  bar.addEventListener("reset", () => setTimeout(apply));
  for (const link of document.querySelectorAll("a[data-filter-slice]")) {
    link.addEventListener("click", () => {
      bar.elements.variant.value = link.dataset.filterVariant;
      bar.elements.slice.value = link.dataset.filterSlice;
      bar.elements.outcome.value = "broke";
      apply();
    });
  }
  apply();
})();
