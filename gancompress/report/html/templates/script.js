"use strict";
(() => {
  const root = document.documentElement;
  const all = (query, within = document) => [...within.querySelectorAll(query)];

  // Light and dark: what the system says, until the button says otherwise.
  const remembered = () => { try { return localStorage.getItem("gancompress-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("gancompress-theme", theme); } catch { /* a file may have none */ } };
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  if (remembered()) root.dataset.theme = remembered();
  const button = document.getElementById("theme");
  const label = () => { button.textContent = dark() ? "Light theme" : "Dark theme"; };
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; remember(root.dataset.theme); label(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  label();

  // The slider between two pictures; one above the gallery moves all of them.
  const move = (input) => { input.closest(".view").style.setProperty("--at", `${input.value}%`); };
  for (const input of all(".view input")) {
    input.addEventListener("input", () => move(input));
    move(input); // a reload brings back where it was
  }
  for (const main of all("input[data-all]")) {
    main.addEventListener("input", () => {
      for (const input of all(".view input", main.closest("section"))) { input.value = main.value; move(input); }
    });
  }
  for (const box of all("input[data-errors]")) {
    const show = () => { for (const image of all(".over.whole", box.closest("section"))) image.hidden = !box.checked; };
    box.addEventListener("change", show);
    show();
  }

  // Points of a plot say what they are: under the pointer, and with the arrow keys.
  for (const plot of all("svg.plot[tabindex]")) {
    const said = plot.closest("figure").querySelector(".said");
    const points = all("circle", plot).sort((a, b) => a.cx.baseVal.value - b.cx.baseVal.value);
    let at = points.findIndex((point) => point.classList.contains("best"));
    const say = (index) => {
      at = index;
      points.forEach((point, i) => point.classList.toggle("on", i === index));
      said.textContent = points[index].querySelector("title").textContent;
    };
    points.forEach((point, i) => {
      point.addEventListener("pointerenter", () => say(i));
      point.addEventListener("click", () => say(i));
    });
    plot.addEventListener("focus", () => say(Math.max(at, 0)));
    plot.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      say((at + by + points.length) % points.length);
    });
  }
})();
