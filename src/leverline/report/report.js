// Draws the figures when they come into view, in the colours of the day or the night, and on paper in light.
(function () {
  "use strict";
  var root = document.documentElement;
  var dark = JSON.parse(document.getElementById("dark-colours").textContent);
  var pattern = new RegExp(Object.keys(dark).map(function (c) { return c.replace(/[()]/g, "\\$&"); }).join("|"), "g");
  var plots = Array.prototype.slice.call(document.querySelectorAll(".plot"));
  var night = window.matchMedia("(prefers-color-scheme: dark)");
  var touch = window.matchMedia("(pointer: coarse)").matches;
  var settings = { responsive: true, displayModeBar: false, displaylogo: false };
  var PAPER = { whole: { width: 670, height: 290 }, half: { width: 325, height: 265 } };

  function isDark() {
    var chosen = root.getAttribute("data-theme");
    return chosen ? chosen === "dark" : night.matches;
  }

  function draw(plot, inDark, paper) {
    var text = document.getElementById(plot.dataset.spec).textContent;
    if (inDark) { text = text.replace(pattern, function (c) { return dark[c]; }); }
    var spec = JSON.parse(text);
    plot.style.minHeight = paper ? 0 : spec.layout.height + "px";
    if (paper) {
      spec.layout.width = paper.width;
      spec.layout.height = Math.min(spec.layout.height, paper.height);
      spec.layout.font.size = spec.layout.legend.font.size = 9.5;
    }
    if (touch) {
      Object.keys(spec.layout).forEach(function (k) { if (/^[xy]axis/.test(k)) { spec.layout[k].fixedrange = true; } });
    }
    Plotly.react(plot, spec.data, spec.layout, settings);
    plot.dataset.drawn = "1";
  }

  function redraw() {
    plots.forEach(function (plot) { if (plot.dataset.drawn) { draw(plot, isDark()); } });
  }

  var watcher = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (entry.isIntersecting && !entry.target.dataset.drawn) { draw(entry.target, isDark()); }
    });
  }, { rootMargin: "600px" });
  plots.forEach(function (plot) { watcher.observe(plot); });

  // A page of ordinary length is drawn whole, one figure at a time, so that scrolling never finds a hole.
  var AT_ONCE = 80;
  function drawNext(i) {
    if (i >= Math.min(plots.length, AT_ONCE)) { return; }
    if (!plots[i].dataset.drawn) { draw(plots[i], isDark()); }
    window.setTimeout(function () { drawNext(i + 1); }, 0);
  }

  var buttons = Array.prototype.slice.call(document.querySelectorAll("[data-choose]"));
  function choose(theme) {
    if (theme === "auto") { root.removeAttribute("data-theme"); } else { root.setAttribute("data-theme", theme); }
    buttons.forEach(function (b) { b.setAttribute("aria-pressed", String(b.dataset.choose === theme)); });
    redraw();
  }
  buttons.forEach(function (b) { b.addEventListener("click", function () { choose(b.dataset.choose); }); });
  night.addEventListener("change", redraw);
  var asked = /theme=(light|dark)/.exec(window.location.hash);
  choose(asked ? asked[1] : "auto");
  drawNext(0);

  var opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    opened.forEach(function (d) { d.open = true; });
    plots.forEach(function (plot) { draw(plot, false, plot.closest(".pair") ? PAPER.half : PAPER.whole); });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (d) { d.open = false; });
    plots.forEach(function (plot) { draw(plot, isDark()); });
  });
})();
