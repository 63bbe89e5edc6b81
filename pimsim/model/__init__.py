"""From a model's config to its operator trace: architecture, import, operators, decoder graph, lowering."""
