{#- The model has a known number of rows. -#}
{% test row_count(model, expected) %}

select count(*) as actual
from {{ model }}
having count(*) <> {{ expected }}

{% endtest %}
