// Pictures along three axes: one file of tiles, one slider for each axis. Sliders are the browser's own, so arrow keys,
// Home and End move them; each says its value in words. Without this script, or without the file, the plain figure stays.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".evidence-sheet").forEach((place, number) => {
    const told = JSON.parse(place.dataset.sheet);
    const [first, second, third] = told.axes.map((axis) => axis.labels.length);
    const file = new Image();
    file.onload = () => {
      const tile = document.createElement("div");
      tile.className = "sheet-tile";
      tile.setAttribute("role", "img");
      tile.style.backgroundImage = `url("${place.dataset.src}")`;
      tile.style.backgroundSize = `${100 * second}% ${100 * first * third}%`;
      const sliders = told.axes.map((axis, k) => {
        const label = document.createElement("label");
        const name = document.createElement("span");
        const value = document.createElement("output");
        const slider = document.createElement("input");
        slider.type = "range";
        slider.id = `sheet-${number}-${k}`;
        Object.assign(slider, { min: 0, max: axis.labels.length - 1, step: 1 });
        slider.value = told.start[k];
        label.htmlFor = value.htmlFor = slider.id;
        name.textContent = axis.name;
        label.append(name, slider, value);
        slider.addEventListener("input", show);
        return { axis, label, slider, value };
      });
      function show() {
        const at = sliders.map(({ slider }) => Number(slider.value));
        const said = sliders.map(({ axis }, k) => axis.labels[at[k]]);
        const row = at[0] * third + at[2];
        const share = (k, n) => (n > 1 ? `${(100 * k) / (n - 1)}%` : "0%");
        tile.style.backgroundPosition = `${share(at[1], second)} ${share(row, first * third)}`;
        tile.setAttribute("aria-label", sliders.map(({ axis }, k) => `${axis.name}: ${said[k]}`).join(", "));
        sliders.forEach(({ slider, value }, k) => {
          value.textContent = said[k];
          slider.setAttribute("aria-valuetext", said[k]);
        });
      }
      const controls = document.createElement("div");
      controls.className = "sheet-controls";
      controls.append(...sliders.map(({ label }) => label));
      place.append(tile, controls);
      show();
    };
    file.src = place.dataset.src;
  });
});
