/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Lists what is wrong with the page for people who read, hear or tap it, one
// line for each fault. Called with the language that the page must be in.
(language) => {
  const faults = [];
  const describe = (element) => {
    const text = (element.textContent || "").trim().slice(0, 30);
    return element.tagName.toLowerCase() + (element.id ? "#" + element.id : "") +
      (element.className && element.className.baseVal === undefined ? "." + element.className : "") + (text ? ` "${text}"` : "");
  };
  const fault = (what, element) => faults.push(element ? `${what}: ${describe(element)}` : what);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const hiddenFromAll = (element) => element.closest("[aria-hidden=true]") !== null;
  const shown = (element) => {
    const box = element.getBoundingClientRect();
    return element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && box.width > 1 && box.height > 1;
  };

  if (document.documentElement.lang !== language) fault(`language is "${document.documentElement.lang}", not "${language}"`);
  if (all("h1").length !== 1) fault(`${all("h1").length} h1 elements`);
  if (all("main").length !== 1) fault(`${all("main").length} main elements`);
  if (!document.title.trim()) fault("no title");
  if (!document.querySelector("meta[name=viewport]")) fault("no viewport");

  const ids = all("[id]").map((element) => element.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) fault(`ID "${id}" is used twice`);
  for (const attribute of ["aria-describedby", "aria-labelledby", "for"]) {
    for (const element of all(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(/\s+/)) {
        if (!document.getElementById(id)) fault(`${attribute} names "${id}", which is not there`, element);
      }
    }
  }

  for (const input of all("input:not([type=hidden]), select, textarea")) {
    if (hiddenFromAll(input)) {
      if (input.tabIndex >= 0) fault("can be focused although nobody hears of it", input);
      continue;
    }
    const labels = [...(input.labels || [])].filter((label) => label.textContent.trim());
    if (!labels.length && !input.getAttribute("aria-label")) fault("no label", input);
  }
  for (const element of all("a[href], button")) {
    if (!element.textContent.trim() && !element.getAttribute("aria-label")) fault("no name", element);
    const box = element.getBoundingClientRect();
    // WCAG 2.2, 2.5.8: large enough to be hit.
    if (shown(element) && (box.width < 24 || box.height < 24)) fault(`${Math.round(box.width)}×${Math.round(box.height)} is too small to tap`, element);
  }
  for (const image of all("img")) {
    if (!image.hasAttribute("alt")) fault("no alternative text", image);
    if (image.complete && !image.naturalWidth) fault(`image ${image.src} is broken`);
  }

  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) {
    fault(`scrolls sideways: ${page.scrollWidth} of ${page.clientWidth} pixels`);
  }
  for (const element of all("main *, header *")) {
    const box = element.getBoundingClientRect();
    if (shown(element) && box.left >= 0 && box.right > page.clientWidth + 1) fault("sticks out to the right", element);
  }

  // WCAG 2.2, 1.4.3 and 1.4.11.
  const parse = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, ground) => {
    const mix = (key) => top[key] * top.a + ground[key] * (1 - top.a);
    return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
  };
  const ground = (element) => {
    if (!element) return { r: 255, g: 255, b: 255, a: 1 };
    const own = parse(getComputedStyle(element).backgroundColor);
    return own.a === 1 ? own : over(own, ground(element.parentElement));
  };
  const luminance = ({ r, g, b }) => {
    const [lr, lg, lb] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * lr + 0.7152 * lg + 0.0722 * lb;
  };
  const contrast = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  const demand = (least, color, behind, what, element) => {
    const ratio = contrast(over(parse(color), behind), behind);
    if (ratio < least) fault(`${what} has a contrast of ${ratio.toFixed(2)}, not ${least}`, element);
  };
  const texts = new Set(all("input:not([type=hidden])"));
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (walker.currentNode.data.trim()) texts.add(walker.currentNode.parentElement);
  }
  for (const element of texts) {
    if (shown(element)) demand(4.5, getComputedStyle(element).color, ground(element), "text", element);
  }
  for (const input of all("input:not([type=hidden])")) {
    if (shown(input)) demand(3, getComputedStyle(input).borderTopColor, ground(input.parentElement), "border", input);
  }
  return faults;
}
