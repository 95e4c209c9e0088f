// Many layouts as small pictures, loaded when scrolled into view; a click opens one.

function cell(pane, row, open) {
  const figure = document.createElement("figure"), button = document.createElement("button");
  const caption = document.createElement("figcaption"), image = document.createElement("img");
  image.loading = "lazy";
  image.alt = `${pane.title} of layout ${row.layout}`;
  image.onload = () => image.classList.toggle("small", image.naturalWidth < image.clientWidth);
  image.onerror = () => gap(button, image.src);
  image.src = pane.url.replace("{layout}", encodeURIComponent(row.layout)) + "?width=320";
  button.append(image);
  button.title = `Open layout ${row.layout}`;
  button.addEventListener("click", open);
  caption.textContent = pane.title;
  figure.append(button, caption);
  return figure;
}

async function gap(button, url) {
  const text = document.createElement("p");
  text.className = "gap";
  button.replaceChildren(text);
  try {
    const answer = await fetch(url);
    text.textContent = `not shown: ${answer.ok ? "the picture cannot be decoded" : await answer.text()}`;
  } catch {
    text.textContent = "not shown: no answer from the app";
  }
}

export default function ({ data, parentElement }) {
  const grid = parentElement.querySelector('[data-part="grid"]');
  const state = JSON.stringify(data);
  if (grid.dataset.state === state) return;  // same pictures as before: no need to load them again
  grid.dataset.state = state;
  const least = data.panes.length > 1 ? 120 : 200;
  grid.style.gridTemplateColumns = data.panes.length > 1
    ? `repeat(${data.panes.length}, minmax(${least}px, ${data.most}px))` : `repeat(auto-fill, minmax(${least}px, 1fr))`;
  grid.style.setProperty("--aspect", `${data.size[1]} / ${data.size[0]}`);
  grid.replaceChildren(...data.rows.flatMap((row) => {
    const cells = data.panes.map((pane) => cell(pane, row, () => openLayout({ layout: row.layout })));
    if (data.panes.length === 1) {
      cells[0].querySelector("figcaption").textContent = row.title;
      return cells;
    }
    const heading = document.createElement("h3");
    heading.className = "layout";
    heading.textContent = row.title;
    return [heading, ...cells];
  }));
}
