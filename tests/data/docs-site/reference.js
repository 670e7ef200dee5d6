// Shows the description of the API, with samples and a form to try each operation against a server that the reader
// chooses. What is typed stays in the page: nothing is stored, and the component's maker is asked nothing.
const others = ["c", "clojure", "csharp", "dart", "fsharp", "go", "http", "java", "kotlin", "objc", "ocaml", "php",
  "powershell", "r", "ruby", "rust", "swift"];
Scalar.createApiReference("#reference", {
  url: document.getElementById("reference").dataset.description,
  agent: { disabled: true },
  mcp: { disabled: true },
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  hiddenClients: Object.fromEntries(others.map((each) => [each, true])),
  hideClientButton: true,
  authentication: { preferredSecurityScheme: "apiKey" },
  persistAuth: false,
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
});
