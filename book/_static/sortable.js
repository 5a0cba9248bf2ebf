// Tables inside .evidence-sortable sort by any column: a button in each head, for pointer and keyboard alike.
// Numbers go by their first number, words by the alphabet, and what was not measured stands last either way.
document.addEventListener("DOMContentLoaded", () => {
  const value = (row, k) => {
    const text = row.cells[k].textContent.trim();
    const number = parseFloat(text.replace(/,/g, "").replace(/^−/, "-"));
    return { missing: text === "not measured" || text === "", text, number: /^[-−+]?[\d.]/.test(text) ? number : NaN };
  };
  const compare = (a, b) =>
    Number.isNaN(a.number) || Number.isNaN(b.number) ? a.text.localeCompare(b.text) : a.number - b.number;
  for (const table of document.querySelectorAll(".evidence-sortable table")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, k) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...(head.querySelector("p") ?? head).childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows].map((row) => [row, value(row, k)]);
        rows.sort(([, a], [, b]) => a.missing - b.missing || (up ? 1 : -1) * compare(a, b));
        table.tBodies[0].append(...rows.map(([row]) => row));
      });
    });
  }
});
