// Shows the description of this installation's API, with samples for a shell, Python and JavaScript. Nothing is sent from
// the page: an API key has no business in it, and neither the component's maker nor its AI is asked anything.
const others = ["c", "clojure", "csharp", "dart", "fsharp", "go", "http", "java", "kotlin", "objc", "ocaml", "php",
  "powershell", "r", "ruby", "rust", "swift"];
Scalar.createApiReference("#reference", {
  url: document.getElementById("reference").dataset.description,
  agent: { disabled: true },
  mcp: { disabled: true },
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  hiddenClients: Object.fromEntries(others.map((each) => [each, true])),
  hideClientButton: true,
  hideTestRequestButton: true,
  persistAuth: false,
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
});
