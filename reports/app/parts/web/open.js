// Go to the page Compare, which is the app's first, keeping the choices of this page in the address. One entry in the
// browser's history: Back returns to this page as it was. Streamlit follows the address as after Back.
function openLayout(parts) {
  const address = new URL(location.href);
  address.pathname = address.pathname.replace(/[^/]*$/, "");
  for (const [name, value] of Object.entries(parts)) {
    address.searchParams.delete(name);
    for (const each of [value].flat()) address.searchParams.append(name, each);
  }
  history.pushState({}, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
}
