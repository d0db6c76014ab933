// What the widgets share: elements, bytes that came from the kernel, files for the person to keep.

function make(tag, options = {}, ...children) {
  const { text, on = {}, style = {}, data = {}, ...rest } = options;
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(rest)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  if (text != null) element.textContent = text;
  for (const [name, value] of Object.entries(data)) element.dataset[name] = value;
  for (const [name, handler] of Object.entries(on)) element.addEventListener(name, handler);
  Object.assign(element.style, style);
  element.append(...children);
  return element;
}

// A view of bytes as typed numbers; the kernel's buffers need not be aligned.
function numbers(view, Kind) {
  if (!view || !view.byteLength) return new Kind(0);
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function blobUrl(view, type) {
  return view && view.byteLength ? URL.createObjectURL(new Blob([view], { type })) : "";
}

function keep(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;
