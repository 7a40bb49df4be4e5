{#- The model under test, from the graph (inside a generic test `model` is its relation). -#}
{%- macro context_node() -%}
    {%- if not execute -%}
        {{ return({
            'columns': {}, 'database': '', 'schema': '', 'alias': '', 'relation_name': none,
            'unique_id': ''
        }) }}
    {%- endif -%}
    {{ return(graph.nodes[model.attached_node]) }}
{%- endmacro -%}
