package web

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/berthhq/berth/appliance/command"
)

type object = map[string]any

// OpenAPI describes the site as OpenAPI 3.0 does, from the table of commands.
func (s *Site) OpenAPI(host string) any {
	paths := object{OpenAPIPath: object{"get": object{
		"operationId": "openapi", "summary": "this description", "tags": []string{"api"},
		"responses": object{"200": object{"description": "OpenAPI 3.0", "content": object{"application/json": object{"schema": object{"type": "object"}}}}},
	}}}
	for _, c := range s.Commands.All() {
		paths[CommandsPath+c.Name] = object{"post": operation(c)}
	}
	return object{
		"openapi":  "3.0.3",
		"info":     object{"title": "Berth", "version": s.Version, "description": "The commands that ssh berth@host has, with the same names, arguments, access and exit statuses."},
		"servers":  []object{{"url": "https://" + host}},
		"security": []object{{"token": []string{}}},
		"paths":    paths,
		"components": object{
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "what tokens:create prints"}},
			"schemas": object{
				"Line": object{
					"description": "One line of what is answered: a piece of what the command prints, or, at the end, how it ended.",
					"type":        "object",
					"properties": object{
						"stream": object{"type": "string", "enum": []string{"stdout", "stderr"}},
						"text":   object{"type": "string"},
						"base64": object{"type": "string", "format": "byte", "description": "instead of text, for what is no text"},
						"exit":   object{"type": "integer", "description": "the exit status, as over SSH; in the last line only"},
						"error":  object{"type": "string"},
						"hint":   object{"type": "string", "description": "what to do next"},
					},
				},
				"Failure": object{
					"type": "object", "required": []string{"exit"},
					"properties": object{"exit": object{"type": "integer"}, "error": object{"type": "string"}, "hint": object{"type": "string"}},
				},
			},
		},
	}
}

// operation describes one command.
func operation(c command.Command) object {
	group, _, _ := strings.Cut(c.Name, ":")
	body := object{
		"args":  object{"type": "array", "items": object{"type": "string"}, "description": strings.TrimSpace(c.Name + " " + c.Args)},
		"stdin": object{"type": "string"},
	}
	schema := object{"type": "object", "properties": body, "additionalProperties": false}
	if takes, must := c.TakesApp(); takes {
		body["app"] = object{"type": "string", "description": "the app, which is the first argument over SSH"}
		if must {
			schema["required"] = []string{"app"}
		}
	}
	if flags := flagProperties(c.FlagSet()); len(flags) > 0 {
		body["flags"] = object{"type": "object", "properties": flags}
	}
	description := c.Long
	if len(c.Examples) > 0 {
		description = strings.TrimSpace(description + "\n\nOver SSH:\n\n    " + strings.Join(c.Examples, "\n    "))
	}
	failure := func(text string) object {
		return object{"description": text, "content": object{"application/json": object{"schema": object{"$ref": "#/components/schemas/Failure"}}}}
	}
	return object{
		"operationId": strings.NewReplacer(":", "_", "-", "_").Replace(c.Name),
		"summary":     c.Short, "description": description, "tags": []string{group},
		"requestBody": object{"content": object{"application/json": object{"schema": schema}}},
		"responses": object{
			"200": object{
				"description": "What it prints, while it runs; the last line says how it ended.",
				"content":     object{"application/x-ndjson": object{"schema": object{"$ref": "#/components/schemas/Line"}}},
			},
			"400": failure("it makes no sense"), "401": failure("there is no valid token"), "403": failure("the token's key may not do that"),
			"404": failure("something that was named is not there"), "409": failure("it is there already, or busy"), "422": failure("it failed before it printed anything"),
		},
	}
}

func flagProperties(flags *pflag.FlagSet) object {
	list := object{}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		_, usage := pflag.UnquoteUsage(f)
		p := object{"description": usage}
		switch kind := f.Value.Type(); {
		case kind == "bool":
			p["type"] = "boolean"
		case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
			p["type"] = "integer"
		case strings.HasPrefix(kind, "float"):
			p["type"] = "number"
		case strings.HasSuffix(kind, "Array"), strings.HasSuffix(kind, "Slice"):
			p["type"], p["items"] = "array", object{"type": "string"}
		default:
			p["type"] = "string"
		}
		list[f.Name] = p
	})
	return list
}
