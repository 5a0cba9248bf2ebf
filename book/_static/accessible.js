// The theme names two of its buttons by words that differ from those they show, which confuses control by voice.
document.addEventListener("DOMContentLoaded", () => {
  for (const search of document.querySelectorAll(".search-button-field")) {
    search.removeAttribute("aria-label"); // its own text says "Search"
  }
  for (const theme of document.querySelectorAll(".theme-switch-button")) {
    theme.setAttribute("aria-label", "Color mode: Light, Dark or System Settings");
  }
});
