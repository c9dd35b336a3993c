"use strict";
(() => {
  const form = document.getElementById("decide");
  const save = document.getElementById("save");
  const cards = [...form.querySelectorAll(".item")];
  const who = form.elements.who;

  const mark = (card) => card.querySelector("input[type=radio]:checked")?.value;
  const today = () => {
    const now = new Date();
    return [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((n) => String(n).padStart(2, "0")).join("-");
  };
  const touched = new Set();

  const apply = () => {
    const decided = cards.filter(mark);
    for (const card of cards) card.classList.toggle("decided", Boolean(mark(card)));
    document.getElementById("count").textContent = `${decided.length} of ${cards.length} decided`;
    save.disabled = !touched.size || !who.value.trim();
    save.title = who.value.trim() ? "" : "say who decides first";
  };

  const line = (card) => JSON.stringify({
    item_id: card.dataset.itemId,
    item_sha256: card.dataset.itemSha256,
    answer_sha256: card.dataset.answerSha256,
    mark: mark(card),
    decided_by: who.value.trim(),
    decided_on: today(),
    note: card.querySelector(".note-text").value.trim(),
  });

  form.addEventListener("input", (event) => {
    const card = event.target.closest(".item");
    if (card && mark(card)) touched.add(card);
    apply();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  save.addEventListener("click", () => {
    const text = cards.filter((card) => touched.has(card)).map((card) => line(card) + "\n").join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
    link.download = "adjudications.jsonl";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  apply();
})();
