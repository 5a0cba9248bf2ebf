// A formula wider than its column scrolls inside itself, so that the page never does. MathJax sets formulas after loading,
// and a turned phone sets them anew.
function fitFormulas() {
  for (const formula of document.querySelectorAll("mjx-container")) {
    formula.classList.remove("wide");
    const drawn = formula.querySelector("svg");
    const room = formula.parentElement.closest("p, div, td, th, li, dd, figcaption").clientWidth;
    const wide = drawn !== null && drawn.getBoundingClientRect().width > room;
    formula.classList.toggle("wide", wide);
    if (wide) formula.setAttribute("tabindex", "0");
  }
}

window.addEventListener("load", () => {
  if (window.MathJax?.startup?.promise) {
    window.MathJax.startup.promise.then(fitFormulas);
    window.addEventListener("resize", fitFormulas);
  }
});
