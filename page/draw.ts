type Attributes = Readonly<Record<string, string | number>>;

/** An element of HTML. Text only ever becomes a text node: a name can hold whatever it likes. */
export function html(tag: string, attributes: Attributes = {}, ...children: readonly (Element | string)[]): HTMLElement {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function svg(tag: string, attributes: Attributes = {}, ...children: readonly (Element | string)[]): SVGElement {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function fill<E extends Element>(element: E, attributes: Attributes, children: readonly (Element | string)[]): E {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** The element of the page with this id. */
export function at(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`there is no ${id} in the page`);
  return found;
}
