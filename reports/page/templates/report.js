// Size and choice of methods in the galleries. Without JavaScript everything is shown at the initial size.
const root = document.documentElement;

document.querySelectorAll("input[name=zoom]").forEach((input) => input.addEventListener("change", () => {
  root.style.setProperty("--zoom", input.value);
  root.classList.toggle("pixels", Number(input.value) >= 1);
}));

document.querySelectorAll("input[data-method]").forEach((input) => input.addEventListener("change", () => {
  for (const figure of document.querySelectorAll("#gallery figure[data-key]")) {
    if (figure.dataset.key === input.dataset.method) figure.hidden = !input.checked;
  }
}));

// A printed report contains the score tables, open or not, but no configuration and no full provenance.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details[data-print]").forEach((details) => { details.open = true; });
  document.querySelectorAll("img[loading=lazy]").forEach((image) => { image.loading = "eager"; });
});
